import { HomePage } from '../home/HomePage';
export const RunPage = HomePage;
