// Every address of the app. What a page shows is in its address: search parameters are read by the page's `…Search`, which takes
// whatever stands there and gives what the page understands.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { compareSearch } from '../pages/compare/search';
import { runSearch } from '../pages/run/search';
import { runsSearch } from '../pages/runs/search';
import { Broken, NotFound } from './Broken';
import { Shell } from './Shell';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const under = () => root;

const home = createRoute({
  getParentRoute: under,
  path: '/',
  component: lazyRouteComponent(() => import('../pages/home/HomePage'), 'HomePage'),
});
const runs = createRoute({
  getParentRoute: under,
  path: '/runs',
  validateSearch: runsSearch,
  component: lazyRouteComponent(() => import('../pages/runs/RunsPage'), 'RunsPage'),
});
const run = createRoute({
  getParentRoute: under,
  path: '/runs/$runId',
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import('../pages/run/RunPage'), 'RunPage'),
});
const compare = createRoute({
  getParentRoute: under,
  path: '/compare',
  validateSearch: compareSearch,
  component: lazyRouteComponent(() => import('../pages/compare/ComparePage'), 'ComparePage'),
});
const models = createRoute({
  getParentRoute: under,
  path: '/models',
  component: lazyRouteComponent(() => import('../pages/models/ModelsPage'), 'ModelsPage'),
});
const deployments = createRoute({
  getParentRoute: under,
  path: '/deployments',
  component: lazyRouteComponent(() => import('../pages/deployments/DeploymentsPage'), 'DeploymentsPage'),
});
const monitoring = createRoute({
  getParentRoute: under,
  path: '/monitoring',
  component: lazyRouteComponent(() => import('../pages/monitoring/MonitoringPage'), 'MonitoringPage'),
});
const datasets = createRoute({
  getParentRoute: under,
  path: '/datasets',
  component: lazyRouteComponent(() => import('../pages/datasets/DatasetsPage'), 'DatasetsPage'),
});
const queue = createRoute({
  getParentRoute: under,
  path: '/queue',
  component: lazyRouteComponent(() => import('../pages/queue/QueuePage'), 'QueuePage'),
});
const settings = createRoute({
  getParentRoute: under,
  path: '/settings',
  component: lazyRouteComponent(() => import('../pages/settings/SettingsPage'), 'SettingsPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([home, runs, run, compare, models, deployments, monitoring, datasets, queue, settings]),
  defaultPreload: 'intent',
  defaultErrorComponent: Broken,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
