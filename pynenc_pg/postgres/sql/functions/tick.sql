-- Notes ticks of a schedule as causes, and where it stands then; answers whether it was the caller who did:
-- not if the schedule stood elsewhere than p_settled. Locks: the schedule.
create or replace function {schema}.tick(
    p_app text, p_trigger text, p_condition text, p_settled timestamptz, p_ticks timestamptz[],
    p_now_settled timestamptz, p_next_at timestamptz
) returns boolean language plpgsql {definer} as $$
declare
    v_last timestamptz;
begin
    perform check_isolation();
    select s.last_at into v_last from schedule s
    where s.app_id = p_app and s.trigger_id = p_trigger and s.condition_id = p_condition for no key update;
    update schedule s
    set settled = p_now_settled, next_at = p_next_at,
        last_at = coalesce(p_ticks[cardinality(p_ticks)], s.last_at)
    where s.app_id = p_app and s.trigger_id = p_trigger and s.condition_id = p_condition
      and s.settled = p_settled
      and exists (select from trigger_definition d where d.app_id = s.app_id
                  and d.trigger_id = s.trigger_id and d.paused_at is null);
    if not found then
        return false;
    end if;
    insert into trigger_cause (app_id, trigger_id, condition_id, at, last_at)
    select p_app, p_trigger, p_condition, t.at, coalesce(lag(t.at) over (order by t.at), v_last)
    from unnest(p_ticks) t (at) on conflict do nothing;
    if p_ticks <> '{}' then
        perform notify(p_app, 'cause');
    end if;
    return true;
end $$;
