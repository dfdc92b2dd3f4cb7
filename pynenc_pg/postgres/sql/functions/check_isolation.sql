-- A verb takes a new snapshot for each statement after it has waited for its locks; under a
-- snapshot taken before, it would act on what is no longer true. Internal. Raises PN008.
-- Also takes back a pass that the caller wrote for itself: a setting is anybody's to set, and only
-- purge may go past the guard.
create or replace function {schema}.check_isolation() returns void language plpgsql as $$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'the transaction is %, and this needs READ COMMITTED',
                upper(current_setting('transaction_isolation'))
            using errcode = 'PN008', hint = 'Call it in a transaction of its own, or lower its isolation level.';
    end if;
    if current_setting('pynenc.purge', true) <> '' then
        perform set_config('pynenc.purge', '', true);
    end if;
end $$;
