-- Up to p_limit causes of a trigger, the oldest, which have met their conditions and wait for others.
create or replace function {schema}.waiting_causes(p_app text, p_trigger text, p_limit integer)
returns table (cause_id bigint, condition_id text, at timestamptz) language sql stable {definer} as $$
    select c.cause_id, c.condition_id, c.at from trigger_cause c
    where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'waiting'
    order by c.at, c.cause_id limit p_limit
$$;
