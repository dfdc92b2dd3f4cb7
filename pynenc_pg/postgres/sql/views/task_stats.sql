-- What became of each task's invocations within retention, and how long they took to run.
create or replace view {schema}.task_stats as
select i.app_id, i.task_id, count(*) as finished,
       count(*) filter (where o.status = 'success') as succeeded,
       count(*) filter (where o.status = 'failed') as failed,
       sum(o.retries) as retries,
       percentile_cont(0.5) within group (order by extract(epoch from o.finished_at - b.at)) as p50_seconds,
       max(extract(epoch from o.finished_at - b.at))::double precision as max_seconds
from {schema}.invocation_outcome o
join {schema}.invocation i on i.invocation_id = o.invocation_id
left join {schema}.invocation_history b
       on b.invocation_id = o.invocation_id and b.rev = o.rev - 1 and b.status = 'running'
      and b.at <= o.finished_at
group by i.app_id, i.task_id;
