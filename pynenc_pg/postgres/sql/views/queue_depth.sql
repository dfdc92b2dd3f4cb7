-- What stands in each queue now. oldest_ready: since what has stood longest was ready; see queue_figures.
create or replace view {schema}.queue_depth as
select q.app_id, q.queue, q.paused,
       count(s.invocation_id) filter (where s.available and s.due_at is null) as ready,
       count(s.invocation_id) filter (where s.due_at is not null) as scheduled,
       count(s.invocation_id) filter (where s.parked) as parked,
       count(s.invocation_id) filter (where s.status = 'pending') as pending,
       count(s.invocation_id) filter (where s.status in ('running', 'resumed')) as running,
       count(s.invocation_id) filter (where s.status = 'paused') as waiting,
       clock_timestamp()
           - min(least(clock_timestamp(), greatest(s.status_at, to_timestamp(least(greatest(s.rank, 0), 1e11)))))
           filter (where s.available and s.due_at is null) as oldest_ready
from {schema}.queue q
left join {schema}.invocation_state s on s.app_id = q.app_id and s.queue = q.queue
group by q.app_id, q.queue, q.paused;
