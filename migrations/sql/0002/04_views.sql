-- What people have done by hand: who, what, on which, from where, with what outcome.
create or replace view {schema}.audits as
select a.app_id, a.audit_id, a.at, a.who, a.db_user, a.action, a.subject, a.detail, a.origin, a.outcome
from {schema}.audit a;

-- Who stands in whose way: a row for each that waits and each that it waits for.
create or replace view {schema}.blocked_by as
select e.app_id, e.waiter_id as invocation_id, e.awaited_id as blocked_by, 'result' as waits_for,
       null::text as key, e.created_at as since
from {schema}.wait_edge e
where e.waiter_id is not null and e.needed > 0
union all
select s.app_id, s.invocation_id, h.invocation_id, 'concurrency key', l.key, s.status_at
from {schema}.invocation_state s
join {schema}.lane l on l.lane_id = s.lane
join {schema}.slot h on h.lane = s.lane
where s.parked;

-- What has been emitted, as long as it is kept.
create or replace view {schema}.events as
select e.app_id, e.event_id, e.code, e.payload, e.emitted_at, e.emitted_by
from {schema}.event e;

-- Causes that could not be looked at, time and again, because a function of the user failed: they wait for
-- somebody to have them looked at once more.
create or replace view {schema}.parked_causes as
select c.app_id, c.cause_id, c.trigger_id, d.task_id, c.condition_id, c.at, c.source_id, c.status,
       e.code, c.attempts, c.error
from {schema}.trigger_cause c
join {schema}.trigger_definition d on d.app_id = c.app_id and d.trigger_id = c.trigger_id
left join {schema}.event e on e.app_id = c.app_id and e.event_id = c.source_id and c.status is null
where c.state = 'parked';

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

-- What no runner could take, and why: due in a hundred years, or sooner, when one comes that can.
create or replace view {schema}.set_aside as
select a.app_id, a.invocation_id, a.task_id, a.queue, a.cause,
       case a.cause when 'unknown_task' then 'no runner that met it knows the task'
            else 'the task as it is now takes other arguments:'
                 || coalesce(' missing ' || nullif(array_to_string(a.missing, ', '), ''), '')
                 || coalesce(' unknown ' || nullif(array_to_string(a.unknown, ', '), ''), '')
       end as why,
       a.missing, a.unknown, a.refused_by, a.refusals, a.since, s.expires_at
from {schema}.aside a
join {schema}.invocation_state s on s.invocation_id = a.invocation_id
where a.freed_at is null;

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

-- The tasks that runners have told of, as they told of them last, and how many live runners have each.
create or replace view {schema}.tasks as
select distinct on (t.app_id, t.task_id) t.app_id, t.task_id,
       '(' || coalesce((
           select string_agg(case e->>'kind' when 'var_positional' then '*' when 'var_keyword' then '**' else '' end
                             || (e->>'name')
                             || case when (e->>'required')::boolean or e->>'kind' like 'var_%' then ''
                                     else '=...' end, ', ' order by n)
           from json_array_elements(t.parameters) with ordinality x (e, n)), '') || ')' as signature,
       t.options->>'queue' as queue, t.options,
       (select count(*) from {schema}.runner_task k
        join {schema}.runner r on r.runner_id = k.runner_id
        where k.app_id = t.app_id and k.task_id = t.task_id and r.dead_at is null
          and r.lease_until >= clock_timestamp()) as runners,
       t.told_at
from {schema}.task t
order by t.app_id, t.task_id, t.told_at desc;

-- What triggers have fired, and where that stands; and what they dropped, with a reason: nothing came for
-- it in time (alone), or the code has the trigger no more (removed).
create or replace view {schema}.trigger_runs as
select r.app_id, r.run_id, r.fired_at, r.trigger_id, r.version, r.causes, r.task_id, r.arguments,
       r.invocation_id, coalesce(s.status, o.status) as status, r.reason
from {schema}.trigger_run r
left join {schema}.invocation_state s on s.invocation_id = r.invocation_id
left join {schema}.invocation_outcome o on o.invocation_id = r.invocation_id;

-- The triggers that the code has told of, with what stands behind each.
create or replace view {schema}.triggers as
select d.app_id, d.trigger_id, d.task_id, d.paused_at is not null as paused,
       d.definition->'conditions' as conditions,
       (select min(s.next_at) from {schema}.schedule s
        where s.app_id = d.app_id and s.trigger_id = d.trigger_id) as next_at,
       (select count(*) from {schema}.trigger_cause c
        where c.app_id = d.app_id and c.trigger_id = d.trigger_id and c.state = 'new') as due,
       (select count(*) from {schema}.trigger_cause c
        where c.app_id = d.app_id and c.trigger_id = d.trigger_id and c.state = 'waiting') as waiting,
       (select count(*) from {schema}.trigger_cause c
        where c.app_id = d.app_id and c.trigger_id = d.trigger_id and c.state = 'parked') as parked,
       r.fired, r.last_fired, d.version, d.definition, d.told_at, d.paused_at
from {schema}.trigger_definition d
cross join lateral (
    select count(*) as fired, max(r.fired_at) as last_fired from {schema}.trigger_run r
    where r.app_id = d.app_id and r.trigger_id = d.trigger_id and r.reason is null) r
where d.removed_at is null;

-- What runs of workflows have done, each once.
create or replace view {schema}.workflow_steps as
select t.app_id, t.invocation_id, t.path, t.run, t.kind, t.about, t.value, t.key, t.event_id, t.child_id,
       t.at, t.step_id
from {schema}.workflow_step t;

-- The data of workflows.
create or replace view {schema}.workflow_values as
select d.app_id, d.workflow_id, d.key, d.value, d.set_by, d.set_at
from {schema}.workflow_data d;

-- Runs of workflows that have taken a step, or were paused before.
create or replace view {schema}.workflows as
select w.app_id, w.invocation_id, i.task_id, coalesce(o.status, s.status) as status,
       coalesce(o.reason, s.reason) as reason, w.workflow_id,
       (select coalesce(p.workflow_id, p.invocation_id) from {schema}.invocation p
        where p.invocation_id = (select r.parent_id from {schema}.invocation r
                                 where r.invocation_id = w.workflow_id)) as parent_workflow_id,
       i.parent_id, w.began_at, o.finished_at, w.paused_at, w.pause_reason, w.forked_from,
       s.due_at as wakes_at, e.code as awaits_event, e.until as awaits_until,
       (select count(*) from {schema}.workflow_step t where t.invocation_id = w.invocation_id) as steps
from {schema}.workflow w
join {schema}.invocation i on i.invocation_id = w.invocation_id
left join {schema}.invocation_outcome o on o.invocation_id = w.invocation_id
left join {schema}.invocation_state s on s.invocation_id = w.invocation_id
left join lateral (select t.code, t.until from {schema}.workflow_wait t
                   where t.invocation_id = w.invocation_id
                   order by t.until nulls last, t.path limit 1) e on s.invocation_id is not null;
