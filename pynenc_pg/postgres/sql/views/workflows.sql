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
