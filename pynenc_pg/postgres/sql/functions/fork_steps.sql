-- Gives a call that is being registered the steps of another run before a path, and the data of its
-- workflow: in the statement that registers it, whose answer it passes on. Raises: PN014 there is no
-- such run, PN027 it became another invocation. Locks: that run against its removal.
create or replace function {schema}.fork_steps(p_app text, p_from uuid, p_before text, p_id uuid, p_became uuid[])
returns uuid[] language plpgsql {definer} as $$
declare
    v_before constant integer[] := string_to_array(p_before, '.')::integer[];
    v_data   uuid;
begin
    perform check_isolation();
    perform from invocation i where i.invocation_id = p_from for key share;
    select w.workflow_id into v_data from workflow w where w.invocation_id = p_from and w.app_id = p_app;
    if not found then
        raise exception 'invocation % is no run of a workflow', p_from using errcode = 'PN014';
    elsif p_became[1] <> p_id then
        raise exception 'the fork became invocation %, which was there already', p_became[1]
            using errcode = 'PN027';
    end if;
    insert into workflow (invocation_id, app_id, workflow_id, began_at, forked_from)
    values (p_id, p_app, p_id, clock_timestamp(), p_from) on conflict do nothing;
    if not found then
        return p_became;  -- a repetition
    end if;
    insert into workflow_step (invocation_id, app_id, path, run, kind, about, value, retries, survived, key,
                               event_id, child_id, at)
    select p_id, p_app, s.path, s.run, s.kind, s.about, s.value, 0, s.survived, s.key, s.event_id,
           s.child_id, s.at
    from workflow_step s
    where s.invocation_id = p_from and string_to_array(s.path, '.')::integer[] < v_before
    order by s.step_id;
    insert into workflow_data (workflow_id, app_id, key, value, set_by, set_at)
    select p_id, p_app, d.key, d.value, d.set_by, d.set_at from workflow_data d where d.workflow_id = v_data;
    return p_became;
end $$;
