import { useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';

export function DeploymentsPage() {
  const asked = useQuery({
    queryKey: ['models'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/models', { params: { query: { page_size: 100 } }, signal })),
  });
  return (
    <div className="page full">
      <PageHead title="Deployments" name="Deployments" />
      <Loaded of={asked}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon="deployments" title="Nothing is served">
              <p>Point an alias at a version of a model, and it answers at /v1/models.</p>
            </Empty>
          ) : (
            <ListGrid
              label="Deployments"
              rows={items}
              columns={[{ id: 'name', head: 'Model', grow: true, pinned: true, cell: (row) => row.name }]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
