-- Puts causes together that fire as one, and drops those that nobody came for; answers whether it was
-- done: not if one of them is not waiting any more. p_sets: arrays of causes, the first of each leads.
-- Locks: the trigger, then the causes by id.
create or replace function {schema}.pair_causes(p_app text, p_trigger text, p_sets json, p_dropped bigint[])
returns boolean language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_all    bigint[];
    v_locked bigint;
begin
    perform check_isolation();
    perform from trigger_definition d where d.app_id = p_app and d.trigger_id = p_trigger for no key update;
    v_all := p_dropped || array(
        select m::bigint from json_array_elements(p_sets) s, json_array_elements_text(s) m);
    perform from trigger_cause c where c.cause_id = any (v_all) order by c.cause_id for update;
    select count(*) filter (where c.state = 'waiting' and c.app_id = p_app and c.trigger_id = p_trigger)
    into v_locked from trigger_cause c where c.cause_id = any (v_all);
    if v_locked <> cardinality(v_all) then
        return false;
    end if;
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
    select p_app, p_trigger, d.version, d.task_id, c.cause_id, cause_as_json(c), 'alone', v_now
    from trigger_definition d join trigger_cause c on c.cause_id = any (p_dropped)
    where d.app_id = p_app and d.trigger_id = p_trigger;
    delete from trigger_cause c where c.cause_id = any (p_dropped);
    update trigger_cause c set state = 'joined'
    from json_array_elements(p_sets) s, json_array_elements_text(s) with ordinality m (id, n)
    where c.cause_id = any (array[m.id::bigint]) and m.n > 1;
    update trigger_cause c
    set state = 'new', due_at = v_now,
        partners = array(select m.id::bigint from json_array_elements_text(s.value) with ordinality m (id, n)
                         where m.n > 1)
    from json_array_elements(p_sets) s where c.cause_id = any (array[(s.value->>0)::bigint]);
    if json_array_length(p_sets) > 0 then
        perform notify(p_app, 'cause');
    end if;
    return true;
end $$;
