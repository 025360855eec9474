import { useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';
import { Time } from '../../ui/Time';

export function SettingsPage() {
  const asked = useQuery({
    queryKey: ['keys'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/keys', { params: { query: { page_size: 100 } }, signal })),
  });
  return (
    <div className="page full">
      <PageHead title="API keys" name="API keys" />
      <Loaded of={asked}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon="key" title="No keys">
              <p>A key lets a program or a person in from elsewhere.</p>
            </Empty>
          ) : (
            <ListGrid
              label="API keys"
              rows={items}
              columns={[
                { id: 'name', head: 'Key', grow: true, pinned: true, cell: (row) => row.name },
                { id: 'role', head: 'Role', cell: (row) => row.role },
                { id: 'created', head: 'Created', cell: (row) => <Time at={row.created_at} /> },
              ]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
