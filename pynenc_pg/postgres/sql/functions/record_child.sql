-- Writes that a call is a step of a workflow: in the statement that registers it, whose answer it passes
-- on. Locks: the row (share), after those of register. Raises, and nothing is registered: PN002 the
-- invocation is not the caller's, PN025 too large, PN027 another call stands at the path, PN028 the run is
-- paused, PN029 it is to stop.
create or replace function {schema}.record_child(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_run integer, p_about text,
    p_retries integer, p_survived text[], p_became uuid[]
) returns uuid[] language plpgsql {definer} as $$
declare
    v_stands uuid;
begin
    perform check_isolation();
    perform check_author(p_app, p_runner, p_id, p_lease);
    select s.child_id into v_stands from workflow_step s
    where s.invocation_id = p_id and s.path = p_path and s.run = p_run;
    if found then
        if v_stands is distinct from p_became[1] then
            raise exception 'another call stands at step % of workflow run %', p_path, p_id
                using errcode = 'PN027', hint = 'Read the steps, and go on with that one.';
        end if;
        return p_became;
    elsif exists (select from invocation_state s
                  where s.invocation_id = p_id and s.cancel_requested_at is not null) then
        raise exception 'invocation % was cancelled: it calls no more tasks', p_id using errcode = 'PN029';
    end if;
    perform check_step(p_path, p_about, null, null);
    perform begin_run(p_app, p_id);
    insert into workflow_step (invocation_id, app_id, path, run, kind, about, retries, survived, child_id, at)
    values (p_id, p_app, p_path, p_run, 'task', p_about, p_retries, nullif(p_survived, '{}'), p_became[1],
            clock_timestamp());
    return p_became;
end $$;
