-- Ends what nobody began in its time (start clears expires_at); answers how many.
-- Moves: registered, rerouted, retry, concurrency_controlled -> failed (expired).
-- Locks: rows (skip locked). None of them holds a slot.
create or replace function {schema}.expire(p_app text, p_limit integer)
returns integer language plpgsql {definer} as $$
declare
    v_ids uuid[];
begin
    perform check_isolation();
    v_ids := array(
        select s.invocation_id from invocation_state s
        where s.app_id = p_app and s.expires_at <= clock_timestamp()
          and (s.available or s.parked)
        order by s.expires_at limit p_limit for update skip locked);
    if v_ids <> '{}' then
        perform end_unowned(v_ids, 'failed', 'expired', 'expire');
    end if;
    return cardinality(v_ids);
end $$;
