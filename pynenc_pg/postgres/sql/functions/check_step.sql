-- Refuses a step that is too large: each later attempt reads all of them. Internal. Raises: PN025.
create or replace function {schema}.check_step(p_path text, p_about text, p_key text, p_value text)
returns void language plpgsql immutable as $$
begin
    if length(p_value) > 1000000 then
        raise exception 'step % of the workflow (%): its value has % characters as JSON, and 1000000 are the most',
                p_path, left(p_about, 200), length(p_value)
            using errcode = 'PN025', hint = 'Return it from a task, or keep it elsewhere and record where.';
    elsif length(p_about) > 1000 or length(p_key) > 1000 then
        raise exception 'step % of the workflow (%): a name in it has more than 1000 characters',
                p_path, left(p_about, 200)
            using errcode = 'PN025', hint = 'Give it a shorter one.';
    end if;
end $$;
