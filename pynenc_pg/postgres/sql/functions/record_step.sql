-- Writes a step of a workflow, or answers the one that stands at its path. With it goes what it does:
-- sets the data, or reads it into its value; ends the wait for an event; pauses the run, whose answer
-- is then how long it rests in left_seconds, as is that of a sleep.
-- Locks: the row (share). Raises: PN002 the invocation is not the caller's, PN025 too large, PN028 the run
-- is paused and nothing stands there, unless it is the result of a function.
create or replace function {schema}.record_step(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_run integer, p_kind text,
    p_about text, p_value text, p_retries integer, p_survived text[], p_key text, p_event uuid,
    p_delay double precision
) returns table (
    path text, run integer, kind text, about text, value text, at timestamptz, retries integer,
    survived text[], key text, event_id uuid, child_id uuid, failed boolean, left_seconds double precision
) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now   constant timestamptz := clock_timestamp();
    v_value text := p_value;
    v_data  uuid;
begin
    perform check_isolation();
    perform check_author(p_app, p_runner, p_id, p_lease);
    if not exists (select from workflow_step s
                   where s.invocation_id = p_id and s.path = p_path and s.run = p_run) then
        perform check_step(p_path, p_about, p_key, p_value);
        -- A function has been called already, and would be once more.
        v_data := begin_run(p_app, p_id, p_kind = 'step');
        if p_kind = 'sleep' then
            v_value := to_json(v_now + make_interval(secs => p_delay))::text;
        elsif p_kind = 'get_data' then
            select d.value::text into v_value from workflow_data d
            where d.workflow_id = v_data and d.key = p_key;
        elsif p_kind = 'set_data' then
            insert into workflow_data as d (workflow_id, app_id, key, value, set_by, set_at)
            values (v_data, p_app, p_key, p_value::json, p_id, v_now)
            on conflict (workflow_id, key) do update
            set value = excluded.value, set_by = excluded.set_by, set_at = excluded.set_at;
        elsif p_kind = 'event' then
            delete from workflow_wait w where w.invocation_id = p_id and w.path = p_path;
        elsif p_kind = 'pause' then
            update workflow w set paused_at = v_now, pause_reason = p_value::json#>>'{}'
            where w.invocation_id = p_id;
        end if;
        insert into workflow_step (invocation_id, app_id, path, run, kind, about, value, retries, survived,
                                   key, event_id, at)
        values (p_id, p_app, p_path, p_run, p_kind, p_about, v_value::json, p_retries,
                nullif(p_survived, '{}'), p_key, p_event, v_now);
    end if;
    return query select * from step_as_read(p_id, p_path, p_run);
end $$;
