import { useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';

export function MonitoringPage() {
  const asked = useQuery({
    queryKey: ['models'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/models', { params: { query: { page_size: 100 } }, signal })),
  });
  return (
    <div className="page full">
      <PageHead title="Monitoring" name="Monitoring" />
      <Loaded of={asked}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon="monitoring" title="Nothing is watched">
              <p>What is served is watched.</p>
            </Empty>
          ) : (
            <ListGrid
              label="Monitoring"
              rows={items}
              columns={[{ id: 'name', head: 'Model', grow: true, pinned: true, cell: (row) => row.name }]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
