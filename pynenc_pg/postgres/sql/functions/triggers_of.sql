-- The triggers of an app with what stands behind each, for people.
create or replace function {schema}.triggers_of(p_app text)
returns table (trigger_id text, task_id text, definition text, version text, paused boolean,
               next_at timestamptz, due bigint, waiting bigint, parked bigint, fired bigint,
               last_fired timestamptz)
language sql stable {definer} as $$
    with counted as materialized (
        select c.trigger_id, count(*) filter (where c.state = 'new') as due,
               count(*) filter (where c.state = 'waiting') as waiting,
               count(*) filter (where c.state = 'parked') as parked
        from trigger_cause c where c.app_id = p_app group by c.trigger_id
    )
    select d.trigger_id, d.task_id, d.definition::text, d.version, d.paused_at is not null,
           (select min(s.next_at) from schedule s
            where s.app_id = d.app_id and s.trigger_id = d.trigger_id),
           coalesce(c.due, 0), coalesce(c.waiting, 0), coalesce(c.parked, 0), r.fired, r.last_fired
    from trigger_definition d
    left join counted c on c.trigger_id = d.trigger_id
    cross join lateral (
        select count(*) as fired, max(r.fired_at) as last_fired from trigger_run r
        where r.app_id = d.app_id and r.trigger_id = d.trigger_id and r.reason is null) r
    where d.app_id = p_app and d.removed_at is null order by d.trigger_id
$$;
