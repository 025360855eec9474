import { HomePage } from '../home/HomePage';
export const RunsPage = HomePage;
