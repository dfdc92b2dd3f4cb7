-- Second half of release and recover: what was stopped goes back to the ready ones, or ends if its
-- cancellation was asked for. Internal; rows locked by the caller.
-- Moves: killed, pending_recovery, running_recovery -> rerouted; those and rerouted -> failed.
create or replace function {schema}.reroute_stopped(p_ids uuid[], p_changed_by text)
returns void language plpgsql as $$
declare
    v_off uuid[];
begin
    v_off := array(select s.invocation_id from invocation_state s
                   where s.invocation_id = any (p_ids) and s.cancel_requested_at is not null);
    update invocation_state s
    set status = 'rerouted', previous_status = s.status,
        status_at = greatest(clock_timestamp(), s.status_at), reason = null, rev = s.rev + 1,
        changed_by = p_changed_by
    where s.invocation_id = any (p_ids) and s.status <> 'rerouted'
      and s.cancel_requested_at is null;
    if v_off <> '{}' then
        perform end_unowned(v_off, 'failed', 'cancelled', p_changed_by);
    end if;
end $$;
