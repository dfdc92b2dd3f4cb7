-- How many invocations of an app there are in each status, for people: it reads all of them.
create or replace function {schema}.count_by_status(p_app text)
returns table (status text, count bigint) language plpgsql stable {definer} as $$
begin
    return query
    select s.status::text, count(*) from invocation_state s where s.app_id = p_app group by 1
    union all
    select o.status::text, count(*) from invocation_outcome o where o.app_id = p_app group by 1
    order by 1;
end $$;
