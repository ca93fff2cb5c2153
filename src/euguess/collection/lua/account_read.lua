-- Return {epoch, images, millionths of a dollar} of an open account, or false.
return account.is_open and {account.epoch, account.images, account.micros}
