-- What has been emitted, as long as it is kept.
create or replace view {schema}.events as
select e.app_id, e.event_id, e.code, e.payload, e.emitted_at, e.emitted_by
from {schema}.event e;
