import { HomePage } from '../home/HomePage';
export const ComparePage = HomePage;
