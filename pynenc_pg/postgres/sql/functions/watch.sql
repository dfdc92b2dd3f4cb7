-- Asks for a notification on the channel p_listener when each of these ends; answers those that
-- are not live, so that the caller reads their outcomes now.
-- Locks: the hot rows by id, key share: an end waits for us, a claim does not.
create or replace function {schema}.watch(p_app text, p_ids uuid[], p_listener text)
returns uuid[] language plpgsql {definer} as $$
declare
    v_live uuid[];
begin
    perform check_isolation();
    perform from invocation_state s where s.invocation_id = any (p_ids)
    order by s.invocation_id for key share;
    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select s.invocation_id from invocation_state s
                    where s.invocation_id = any (p_ids) and s.app_id = p_app);
    insert into wait_edge (app_id, awaited_id, listener)
    select p_app, l.id, p_listener from unnest(v_live) l (id)
    on conflict (awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid))) do nothing;
    return array(select i from unnest(p_ids) i where i <> all (v_live));
end $$;
