-- Refuses the batch if a call became an invocation (or a call of the same batch) that has other
-- arguments. Internal to register_2, which has written the rows and holds the keys by then.
-- Raises: PN013, DETAIL: the ids of the invocation and of the call.
create or replace function {schema}.refuse_different(
    p_task text, p_ids uuid[], p_become uuid[], p_call_ids text[], p_arguments text[]
) returns void language plpgsql as $$
declare
    v_held uuid;
    v_call uuid;
begin
    -- Equal calls have equal call ids; an older release may have made the invocation's another way.
    select c.become, c.id into v_held, v_call
    from unnest(p_ids, p_become, p_call_ids, p_arguments) with ordinality
             c (id, become, call_id, arguments, n)
    cross join lateral (
        select * from invocation i where i.invocation_id = c.become offset 0) i
    where c.id <> c.become and i.call_id <> c.call_id and i.arguments::text <> c.arguments
    order by c.n limit 1;
    if found then
        raise exception 'invocation % of % is registered with the same key and other arguments',
            v_held, p_task using errcode = 'PN013', detail = v_held || ' ' || v_call,
            hint = 'Call again when it has started, or with the same arguments.';
    end if;
end $$;
