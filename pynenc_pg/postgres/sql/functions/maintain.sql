-- House-keeping, hourly, by any one runner: partitions ahead, idle lanes gone, what runners knew and what
-- was set aside, events and firings of more than a week ago. Answers what it did.
create or replace function {schema}.maintain(p_app text) returns text[]
language plpgsql {definer} as $$
declare
    v_did    text[];
    v_gone   integer;
    v_parked bigint[];
begin
    perform check_isolation();
    insert into retention (app_id) values (p_app) on conflict do nothing;
    v_did := array(select 'made ' || name from unnest(ensure_partitions()) name);
    v_gone := forget_lanes(array(
        select l.lane_id from lane l
        where l.app_id = p_app and starts_since(l, clock_timestamp()) = 0
          and not exists (select from slot x where x.lane = l.lane_id)
          and not exists (select from invocation_state s where s.lane = l.lane_id and s.lane is not null)
        order by l.key limit 10000));
    if v_gone > 0 then
        v_did := v_did || format('removed %s idle lanes', v_gone);
    end if;
    perform lock_tasks(p_app);
    v_gone := free_aside(p_app, 100000);  -- nothing waits for it: whoever can take it frees it when it comes
    if v_gone > 0 then
        v_did := v_did || format('freed %s set aside', v_gone);
    end if;
    delete from aside a where a.app_id = p_app
    and not exists (select from invocation_state s where s.invocation_id = a.invocation_id);
    delete from task t where t.app_id = p_app
    and exists (select from task n where n.app_id = t.app_id and n.task_id = t.task_id
                and n.told_at > t.told_at)
    and not exists (select from runner_task k where k.app_id = t.app_id and k.task_id = t.task_id
                    and k.fingerprint = t.fingerprint);
    v_gone := drop_causes(p_app, array(  -- was on its way when they went
        select d.trigger_id from trigger_definition d where d.app_id = p_app and d.removed_at is not null));
    if v_gone > 0 then
        v_did := v_did || format('dropped %s causes of triggers that are no more', v_gone);
    end if;
    v_parked := array(
        select c.cause_id from trigger_cause c
        where c.app_id = p_app and c.state = 'parked' and c.at < clock_timestamp() - interval '7 days'
        order by c.cause_id for update skip locked);
    if v_parked <> '{}' then
        insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
        select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), 'parked', clock_timestamp()
        from trigger_cause c
        join trigger_definition d on d.app_id = c.app_id and d.trigger_id = c.trigger_id
        where c.cause_id = any (v_parked);
        delete from trigger_cause c where c.cause_id = any (v_parked || array(
            select p from trigger_cause x cross join lateral unnest(x.partners) p
            where x.cause_id = any (v_parked)));
        v_did := v_did || format('dropped %s causes that were parked for a week', cardinality(v_parked));
    end if;
    delete from trigger_definition d
    where d.app_id = p_app and d.removed_at < clock_timestamp() - interval '7 days';
    delete from trigger_cause c where c.app_id = p_app
    and not exists (select from trigger_definition d
                    where d.app_id = c.app_id and d.trigger_id = c.trigger_id);
    delete from trigger_run r
    where r.app_id = p_app and r.fired_at < clock_timestamp() - interval '7 days';
    delete from workflow_wait w where w.app_id = p_app
    and not exists (select from invocation_state s where s.invocation_id = w.invocation_id);
    delete from event e
    where e.app_id = p_app and e.emitted_at < clock_timestamp() - interval '7 days'
    and not exists (select from trigger_cause c where c.source_id = e.event_id and c.app_id = p_app)
    and not exists (select from invocation_state s where s.invocation_id = e.workflow_id);
    return v_did || drop_old_partitions();
end $$;
