/* Cuts the power of a mounted file system: nothing that is not on its disk yet ever gets there, and every later call
 * fails, until it is mounted again. What the journal of the file system holds in memory is lost too.
 *
 *   shutdown FOLDER
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define WITHOUT_FLUSHING 2

int main(int count, char **arguments) {
  uint32_t how = WITHOUT_FLUSHING;
  int folder = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY) : -1;
  if (folder < 0 || ioctl(folder, FS_IOC_SHUTDOWN, &how)) {
    perror("shutdown");
    return 1;
  }
  return 0;
}
