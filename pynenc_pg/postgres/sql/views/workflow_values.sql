-- The data of workflows.
create or replace view {schema}.workflow_values as
select d.app_id, d.workflow_id, d.key, d.value, d.set_by, d.set_at
from {schema}.workflow_data d;
