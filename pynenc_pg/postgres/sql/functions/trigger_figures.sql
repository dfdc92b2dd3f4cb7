-- The triggers of an app, or one of them, with what stands behind each: for people. Counts stop at p_most: what
-- has fired or waits may be millions. What has fired is among the latest p_most that fired or were dropped; more says
-- whether there may be others before them. What triggers_of counts, it counts whole.
create or replace function {schema}.trigger_figures(p_app text, p_trigger text, p_most integer)
returns table (trigger_id text, task_id text, definition text, paused boolean, next_at timestamptz,
               due bigint, waiting bigint, parked bigint, fired bigint, more boolean,
               last_fired timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select d.trigger_id, d.task_id, d.definition::text, d.paused_at is not null, s.next_at,
           n.due, w.waiting, p.parked, r.fired, r.looked >= p_most, r.last_fired
    from trigger_definition d
    cross join lateral (
        select min(x.next_at) as next_at from schedule x
        where x.app_id = d.app_id and x.trigger_id = d.trigger_id) s
    cross join lateral (
        select count(*) as due from (
            select from trigger_cause c where c.app_id = d.app_id and c.trigger_id = d.trigger_id
            and c.state = 'new' limit p_most) c) n
    cross join lateral (
        select count(*) as waiting from (
            select from trigger_cause c where c.app_id = d.app_id and c.trigger_id = d.trigger_id
            and c.state = 'waiting' limit p_most) c) w
    cross join lateral (
        select count(*) as parked from (
            select from trigger_cause c where c.app_id = d.app_id and c.trigger_id = d.trigger_id
            and c.state = 'parked' limit p_most) c) p
    cross join lateral (
        -- A range and not =, so that only the index of the trigger gives the order: that of times has all triggers.
        select count(*) filter (where x.reason is null) as fired, count(*) as looked,
               max(x.fired_at) filter (where x.reason is null) as last_fired from (
            select t.fired_at, t.reason from trigger_run t
            where t.app_id = d.app_id and t.trigger_id between d.trigger_id and d.trigger_id
            order by t.trigger_id desc, t.fired_at desc, t.run_id desc limit p_most) x) r
    where d.app_id = p_app and d.removed_at is null and (p_trigger is null or d.trigger_id = p_trigger)
    order by d.trigger_id;
end $$;
