-- Ends what nobody owns; asks the owner for the rest. Answers cancelled | requested | final | unknown.
-- Moves: registered, rerouted, retry, concurrency_controlled -> failed (cancelled).
-- Locks: its lane, then its row.
create or replace function {schema}.cancel(p_app text, p_id uuid, p_changed_by text)
returns text language plpgsql {definer} as $$
declare
    v_owned boolean;
begin
    perform check_isolation();
    perform lock_lanes(array[p_id]);
    select s.runner_id is not null into v_owned from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app for update;
    if v_owned then
        update invocation_state s
        set cancel_requested_at = coalesce(s.cancel_requested_at, clock_timestamp()),
            previous_status = s.status
        where s.invocation_id = p_id;
        perform notify(p_app, 'cancel', to_json(p_id));
        return 'requested';
    elsif not v_owned then
        perform end_unowned(array[p_id], 'failed', 'cancelled', p_changed_by);
        return 'cancelled';
    end if;
    return case when exists (select from invocation_outcome o where o.invocation_id = p_id and o.app_id = p_app)
           then 'final' else 'unknown' end;
end $$;
