import { useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';
import { Status } from '../../ui/Status';
import { Time } from '../../ui/Time';

export function QueuePage() {
  const asked = useQuery({
    queryKey: ['jobs'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/jobs', { params: { query: { page_size: 100 } }, signal })),
  });
  return (
    <div className="page full">
      <PageHead title="Queue" name="Queue" />
      <Loaded of={asked}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon="queue" title="No jobs">
              <p>Submit a training job, and it is here.</p>
            </Empty>
          ) : (
            <ListGrid
              label="Queue"
              rows={items}
              columns={[
                { id: 'job', head: 'Job', grow: true, pinned: true, cell: (row) => <code>{row.job_id}</code> },
                { id: 'state', head: 'State', cell: (row) => <Status state={row.state} /> },
                { id: 'created', head: 'Created', cell: (row) => <Time at={row.created_at} /> },
              ]}
            />
          )
        }
      </Loaded>
    </div>
  );
}
