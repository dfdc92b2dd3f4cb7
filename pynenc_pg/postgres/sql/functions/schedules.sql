-- Where the schedules of an app stand that are not paused, with the database's time.
create or replace function {schema}.schedules(p_app text)
returns table (trigger_id text, condition_id text, condition text, settled timestamptz, next_at timestamptz,
               now timestamptz, edited boolean)
language sql stable {definer} as $$
    select s.trigger_id, s.condition_id, coalesce(s.edited, s.condition)::text, s.settled, s.next_at,
           clock_timestamp(), s.edited is not null
    from schedule s join trigger_definition d on d.app_id = s.app_id and d.trigger_id = s.trigger_id
    where s.app_id = p_app and d.paused_at is null
    order by s.trigger_id, s.condition_id
$$;
