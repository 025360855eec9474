import { useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';
import { Time } from '../../ui/Time';

export function DatasetsPage() {
  const asked = useQuery({
    queryKey: ['datasets'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/datasets', { params: { query: { page_size: 100 } }, signal })),
  });
  return (
    <div className="page full">
      <PageHead title="Data sets" name="Data sets" />
      <Loaded of={asked}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon="datasets" title="No data sets">
              <p>Upload a CSV, JSON lines or Parquet file, and it is here.</p>
            </Empty>
          ) : (
            <ListGrid
              label="Data sets"
              rows={items}
              columns={[
                { id: 'name', head: 'Data set', grow: true, pinned: true, cell: (row) => row.name },
                { id: 'created', head: 'Created', cell: (row) => <Time at={row.created_at} /> },
              ]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
