-- For how long each app keeps what has ended and its history, in seconds, as its runners told last. Partitions
-- hold the work of all apps, so they go when the longest of these is over. One that nobody has told again for
-- so long counts no more.
create table {schema}.retention (
    app_id   text             primary key,
    finished double precision not null default 604800 check (finished > 0),
    history  double precision not null default 2592000,
    told_at  timestamptz      not null default clock_timestamp(),
    check (history >= finished)
);
revoke all on {schema}.retention from public;
