-- Seconds until a cause is to be looked at; null: there is none.
create or replace function {schema}.next_cause(p_app text) returns double precision
language sql stable {definer} as $$
    select extract(epoch from min(c.due_at) - clock_timestamp())::double precision
    from trigger_cause c where c.app_id = p_app and c.state = 'new'
$$;
