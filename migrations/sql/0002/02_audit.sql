-- What people have done by hand, in the monitor. Append-only: an entry is written in the transaction of what
-- it tells of, and stays.
create table {schema}.audit (
    audit_id bigint      generated always as identity primary key,
    app_id   text        not null,
    at       timestamptz not null,
    who      text        not null,      -- as they logged in to the monitor
    db_user  text        not null,      -- as it logged in to the database
    action   text        not null,
    subject  text        not null,      -- an invocation, a queue, a trigger
    detail   json,
    origin   text        not null,      -- the address
    outcome  text        not null
);
-- "what has been done here, the latest first"; "what has been done to this"
create index audit_app_idx on {schema}.audit (app_id, audit_id);
create index audit_subject_idx on {schema}.audit (app_id, subject, audit_id);
create trigger guard_change before update or delete on {schema}.audit
    for each row execute function {schema}.refuse_change();
create trigger guard_truncate before truncate on {schema}.audit
    for each statement execute function {schema}.refuse_change();
revoke all on {schema}.audit from public;
