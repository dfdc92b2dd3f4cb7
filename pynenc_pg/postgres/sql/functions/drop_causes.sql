-- Drops what waits for triggers that are no more, and writes that down; answers how many fell.
-- Internal to register_triggers and maintain. Locks: the causes by id.
create or replace function {schema}.drop_causes(p_app text, p_triggers text[]) returns integer
language plpgsql as $$
declare
    v_gone bigint[];
begin
    v_gone := array(
        select c.cause_id from trigger_cause c
        where c.app_id = p_app and c.trigger_id = any (p_triggers) order by c.cause_id for update);
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
    select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), 'removed', clock_timestamp()
    from unnest(v_gone) g (id)
    cross join lateral (select * from trigger_cause c where c.cause_id = g.id and c.state <> 'joined' offset 0) c
    cross join lateral (select * from trigger_definition d
                        where d.app_id = c.app_id and d.trigger_id = c.trigger_id offset 0) d;
    delete from trigger_cause c where c.cause_id = any (v_gone);
    return cardinality(v_gone);
end $$;
