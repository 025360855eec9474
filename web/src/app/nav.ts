import type { IconName } from '../ui/Icon';

export interface Place {
  to: '/' | '/runs' | '/queue' | '/datasets' | '/models' | '/deployments' | '/monitoring' | '/settings';
  name: string;
  icon: IconName;
  /** After `g`. */
  letter: string;
}

/** The places of the app, in the order of a model's life. */
export const PLACES: Place[] = [
  { to: '/', name: 'Home', icon: 'home', letter: 'h' },
  { to: '/datasets', name: 'Data sets', icon: 'datasets', letter: 'd' },
  { to: '/queue', name: 'Queue', icon: 'queue', letter: 'q' },
  { to: '/runs', name: 'Runs', icon: 'runs', letter: 'r' },
  { to: '/models', name: 'Models', icon: 'models', letter: 'm' },
  { to: '/deployments', name: 'Deployments', icon: 'deployments', letter: 'y' },
  { to: '/monitoring', name: 'Monitoring', icon: 'monitoring', letter: 'o' },
  { to: '/settings', name: 'Settings', icon: 'settings', letter: 's' },
];
