-- Answers the first event that may be what a workflow waits for: emitted since it was registered, to all
-- or to it, not taken by an earlier step. If there is none (event_id is null), the next one wakes it.
-- left_seconds: until it waits in vain, counted from the first time; null: for ever.
-- Locks: the row (share), then the code of the event, until the end of the transaction. Raises: PN002 the
-- invocation is not the caller's, PN025 too large, PN028 the run is paused.
create or replace function {schema}.await_event(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_code text, p_filter jsonb,
    p_timeout double precision, p_skip uuid[]
) returns table (event_id uuid, payload text, emitted_at timestamptz, left_seconds double precision)
language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now   constant timestamptz := clock_timestamp();
    v_until timestamptz;
    v_since timestamptz;
    v_taken uuid[];
begin
    perform check_isolation();
    perform check_author(p_app, p_runner, p_id, p_lease);
    perform check_step(p_path, '', p_code, p_filter::text);
    perform begin_run(p_app, p_id);
    insert into workflow_wait (invocation_id, path, app_id, code, filter, since, until)
    values (p_id, p_path, p_app, p_code, p_filter, v_now, v_now + make_interval(secs => p_timeout))
    on conflict do nothing;
    perform pg_advisory_xact_lock(event_lock(p_app, p_code));
    select w.until into v_until from workflow_wait w where w.invocation_id = p_id and w.path = p_path;
    select i.registered_at into v_since from invocation i where i.invocation_id = p_id;
    v_taken := array(select s.event_id from workflow_step s
                     where s.invocation_id = p_id and s.event_id is not null);
    return query
    select e.event_id, e.payload::text, e.emitted_at,
           extract(epoch from v_until - v_now)::double precision
    from (values (1)) one
    left join lateral (
        select e.* from event e
        where e.app_id = p_app and e.code = p_code and e.emitted_at >= v_since
          and (e.workflow_id is null or e.workflow_id = p_id)
          and e.event_id <> all (v_taken) and e.event_id <> all (p_skip)
          and may_meet(p_filter, e.payload)
        order by e.emitted_at, e.event_id limit 1) e on true;
end $$;
