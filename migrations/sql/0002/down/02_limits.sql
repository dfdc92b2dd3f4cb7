drop index {schema}.state_asked_idx;
drop index {schema}.lane_next_idx;
drop index {schema}.lane_queue_idx;
create index lane_queue_idx on {schema}.lane (queue, app_id, served, key);
alter table {schema}.lane
    drop column rate, drop column rate_period, drop column started, drop column started_count,
    drop column ahead, drop column impatient, drop column open;
update {schema}.lane set next_at = null where next_at is not null;
