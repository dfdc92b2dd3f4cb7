-- Rate limits: at most `rate` starts in any `rate_period` seconds. When and how many there were of
-- late: the entries of the two arrays belong together. next_at: shut until then.
alter table {schema}.lane
    add column rate integer check (rate >= 1),
    add column rate_period double precision check (rate_period > 0),
    add column started timestamptz[] not null default '{}',
    add column started_count integer[] not null default '{}',
    -- Seconds by which its priority brings its turn forward.
    add column ahead double precision not null default 0,
    add constraint lane_rate_is_whole check ((rate is null) = (rate_period is null)),
    add constraint lane_starts_are_pairs check (cardinality(started) = cardinality(started_count));
-- promote: the lanes that may go on
create index lane_next_idx on {schema}.lane (app_id, next_at) where next_at is not null;
