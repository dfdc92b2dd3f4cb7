-- What triggers have fired, and where that stands; and what they dropped, with a reason: nothing came for
-- it in time (alone), or the code has the trigger no more (removed).
create or replace view {schema}.trigger_runs as
select r.app_id, r.run_id, r.fired_at, r.trigger_id, r.version, r.causes, r.task_id, r.arguments,
       r.invocation_id, coalesce(s.status, o.status) as status, r.reason
from {schema}.trigger_run r
left join {schema}.invocation_state s on s.invocation_id = r.invocation_id
left join {schema}.invocation_outcome o on o.invocation_id = r.invocation_id;
