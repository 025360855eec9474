// Who is signed in. On an open server on loopback that is the owner of the machine, without a key.
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, must, type Schemas } from './client';

export type Session = Schemas['Session'];
type Role = Session['role'];

const ROLES: Role[] = ['viewer', 'developer', 'operator', 'admin'];

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => must(api.GET('/api/v1/session', { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

/** Tells whether the caller has at least this role. What they may not do is shown, but switched off. */
export function useMay(role: Role): boolean {
  const { data } = useQuery(sessionQuery);
  return data !== undefined && ROLES.indexOf(data.role) >= ROLES.indexOf(role);
}

export function useSignIn() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: string) => must(api.POST('/api/v1/session', { body: { key } })),
    onSuccess: (session) => queries.setQueryData(sessionQuery.queryKey, session),
  });
}

export function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => must(api.DELETE('/api/v1/session')),
    onSuccess: () => {
      queries.clear();
      location.assign('/');
    },
  });
}
