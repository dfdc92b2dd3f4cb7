-- Ends what took its worker down more often than allowed, since it last came to rest of its own accord: a
-- workflow of a year meets many a dead worker. Internal to recover; rows locked.
-- Moves: running_recovery -> failed (recoveries_exhausted). Answers how many.
create or replace function {schema}.quarantine(p_ids uuid[], p_max_recoveries integer)
returns integer language plpgsql as $$
declare
    v_off uuid[];
begin
    v_off := array(select s.invocation_id from invocation_state s
                   where s.invocation_id = any (p_ids) and s.recoveries > p_max_recoveries
                     and s.status = 'running_recovery' and s.cancel_requested_at is null);
    if v_off = '{}' then
        return 0;
    end if;
    v_off := array(
        select o.id from unnest(v_off) o (id)
        where p_max_recoveries < (
            select count(*) from invocation_history h
            where h.invocation_id = o.id and h.status = 'running_recovery' and h.rev > coalesce((
                select max(r.rev) from invocation_history r
                where r.invocation_id = o.id and r.status = 'retry'
                  and r.reason in ('sleeping', 'event', 'paused')), -1)));
    if v_off <> '{}' then
        perform end_unowned(v_off, 'failed', 'recoveries_exhausted', 'recovery');
    end if;
    return cardinality(v_off);
end $$;
