-- Of each condition of a trigger up to p_limit causes, the oldest, which have met it and wait for others.
create or replace function {schema}.waiting_causes(p_app text, p_trigger text, p_limit integer)
returns table (cause_id bigint, condition_id text, at timestamptz) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_next  text := '';
    v_found text[] := '{}';
begin
    loop
        select c.condition_id into v_next from trigger_cause c
        where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'waiting'
          and c.condition_id > v_next
        order by c.condition_id limit 1;
        exit when not found;
        v_found := v_found || v_next;
    end loop;
    return query
    select c.cause_id, c.condition_id, c.at
    from unnest(v_found) f (id)
    cross join lateral (
        select * from trigger_cause c
        where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'waiting' and c.condition_id = f.id
        order by c.at limit p_limit) c
    order by c.at, c.cause_id;
end $$;
