-- What has stood for more than a minute where nothing should stand so long, and why. What waits for others, for
-- a concurrency key, for its time or in a queue that somebody has paused is not stuck. Reads all that lives.
create or replace view {schema}.stuck as
with live as (
    select r.* from {schema}.runner r where r.dead_at is null and r.lease_until >= clock_timestamp()
), standing as (
    select s.*, a.since as aside_at,
           greatest(s.status_at, to_timestamp(least(greatest(s.rank, 0), 1e11))) as ready_at
    from {schema}.invocation_state s
    left join {schema}.aside a on a.invocation_id = s.invocation_id and a.freed_at is null
)
select s.app_id, s.invocation_id, i.task_id, s.queue, s.status, w.since, w.why
from standing s
join {schema}.invocation i on i.invocation_id = s.invocation_id
cross join lateral (
    select case when s.runner_id is not null then s.status_at
                else coalesce(s.aside_at, s.due_at, least(s.ready_at, clock_timestamp())) end,
           case when s.aside_at is not null then 'no runner that met it can take it'
                when s.runner_id is not null and not exists (select from live r where r.runner_id = s.runner_id)
                    then 'its runner is gone'
                when s.status = 'pending' then 'claimed, and not begun'
                when s.due_at is not null and s.due_at < clock_timestamp() then 'due, and nobody has made it ready'
                when s.available and s.due_at is null and s.ready_at < clock_timestamp()
                     and not exists (select from live r where r.app_id = s.app_id
                                     and (r.queues = '{}' or r.queues && array[s.queue, '*']))
                     and not exists (select from {schema}.queue q
                                     where q.app_id = s.app_id and q.queue = s.queue and q.paused)
                    then 'no live runner serves its queue' end) w (since, why)
where w.why is not null and w.since < clock_timestamp() - interval '1 minute';
