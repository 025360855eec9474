import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, must } from '../../api/client';
import { ListGrid } from '../../ui/Grid';
import { PageHead, Section } from '../../ui/Page';
import { Empty, Loaded } from '../../ui/State';
import { Status } from '../../ui/Status';
import { Duration, Time } from '../../ui/Time';

export function HomePage() {
  const runs = useQuery({
    queryKey: ['runs', 'recent'],
    queryFn: ({ signal }) => must(api.GET('/api/v1/runs', { params: { query: { page_size: 10 } }, signal })),
  });
  return (
    <div className="page">
      <PageHead title="Home" name="Home" />
      <Section title="Recent runs">
        <Loaded of={runs}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty icon="runs" title="No runs yet" />
            ) : (
              <ListGrid
                label="Recent runs"
                fit
                rows={items}
                columns={[
                  {
                    id: 'name',
                    head: 'Run',
                    pinned: true,
                    grow: true,
                    width: 200,
                    cell: (run) => (
                      <Link tabIndex={-1} to="/runs/$runId" params={{ runId: run.run_id }}>
                        {run.run_name}
                      </Link>
                    ),
                  },
                  { id: 'status', head: 'Status', cell: (run) => <Status state={run.status} /> },
                  { id: 'started', head: 'Started', cell: (run) => <Time at={run.start_time} /> },
                  {
                    id: 'took',
                    head: 'Took',
                    align: 'right',
                    cell: (run) => <Duration from={run.start_time} to={run.end_time} />,
                  },
                ]}
              />
            )
          }
        </Loaded>
      </Section>
    </div>
  );
}
