import { useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';
import { Time } from '../../ui/Time';

export function ModelsPage() {
  const asked = useQuery({
    queryKey: ['models'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/models', { params: { query: { page_size: 100 } }, signal })),
  });
  return (
    <div className="page full">
      <PageHead title="Models" name="Models" />
      <Loaded of={asked}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon="models" title="No models">
              <p>Register a version from a run, and it is here.</p>
            </Empty>
          ) : (
            <ListGrid
              label="Models"
              rows={items}
              columns={[
                { id: 'name', head: 'Model', grow: true, pinned: true, cell: (row) => row.name },
                { id: 'updated', head: 'Updated', cell: (row) => <Time at={row.updated_at} /> },
              ]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
