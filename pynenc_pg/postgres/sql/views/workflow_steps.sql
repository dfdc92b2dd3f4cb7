-- What runs of workflows have done, each once.
create or replace view {schema}.workflow_steps as
select t.app_id, t.invocation_id, t.path, t.run, t.kind, t.about, t.value, t.key, t.event_id, t.child_id,
       t.at, t.step_id
from {schema}.workflow_step t;
