-- Ends what took its worker down more often than allowed. Internal to recover; rows locked.
-- Moves: running_recovery -> failed (recoveries_exhausted). Answers how many.
create or replace function {schema}.quarantine(p_ids uuid[], p_max_recoveries integer)
returns integer language plpgsql as $$
declare
    v_off uuid[];
begin
    v_off := array(select s.invocation_id from invocation_state s
                   where s.invocation_id = any (p_ids) and s.recoveries > p_max_recoveries
                     and s.status = 'running_recovery' and s.cancel_requested_at is null);
    if v_off <> '{}' then
        perform end_unowned(v_off, 'failed', 'recoveries_exhausted', 'recovery');
    end if;
    return cardinality(v_off);
end $$;
