drop index {schema}.lane_next_idx;
alter table {schema}.lane
    drop column rate, drop column rate_period, drop column started, drop column started_count,
    drop column ahead;
update {schema}.lane set next_at = null where next_at is not null;
