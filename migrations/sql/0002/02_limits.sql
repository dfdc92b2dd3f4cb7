-- Rate limits: at most `rate` starts in any `rate_period` seconds. When and how many there were of
-- late: the entries of the two arrays belong together. next_at: shut until then.
alter table {schema}.lane
    add column rate integer check (rate >= 1),
    add column rate_period double precision check (rate_period > 0),
    add column started timestamptz[] not null default '{}',
    add column started_count integer[] not null default '{}',
    -- Seconds by which its priority brings its turn forward.
    add column ahead double precision not null default 0,
    -- It has had calls that must not wait. Whether a claim is to look here: see open_lanes.
    add column impatient boolean not null default false,
    add column open boolean not null default true,
    add constraint lane_rate_is_whole check ((rate is null) = (rate_period is null)),
    add constraint lane_starts_are_pairs check (cardinality(started) = cardinality(started_count));
-- promote: the lanes that may go on
create index lane_next_idx on {schema}.lane (app_id, next_at) where next_at is not null;
update {schema}.lane l
set impatient = exists (select from {schema}.invocation_state s
                        where s.lane = l.lane_id and s.must_not_wait);
update {schema}.lane l
set open = l.impatient or l.slots > (select count(*) from {schema}.slot x where x.lane = l.lane_id);
drop index {schema}.lane_queue_idx;
create index lane_queue_idx on {schema}.lane (queue, app_id, served, key) where open;
-- asked_to_stop: what a runner holds and somebody has cancelled
create index state_asked_idx on {schema}.invocation_state (runner_id)
    where cancel_requested_at is not null and runner_id is not null;
