/* Cuts the power of a mounted file system: nothing that is not on its disk yet ever gets there, and every later call
 * fails, until it is mounted again. What the journal of the file system holds in memory is lost too.
 *
 *   shutdown FOLDER < pipe
 *
 * First all that waits in the pipe is written to standard output: what a program has said before the cut, and nothing that
 * it says meanwhile. ext4 (6.18) may answer a sync that is under way at this moment with success and lose the data all the
 * same. A real power cut cannot: nobody is left to be answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define WITHOUT_FLUSHING 2

int main(int count, char **arguments) {
  uint32_t how = WITHOUT_FLUSHING;
  char said[65536];
  ssize_t length;
  int folder = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY) : -1;
  if (folder < 0 || fcntl(0, F_SETFL, O_NONBLOCK)) {
    perror("shutdown");
    return 1;
  }
  while ((length = read(0, said, sizeof said)) > 0)
    if (write(1, said, (size_t)length) != length) return 1;
  if (length < 0 && errno != EAGAIN) return 1;
  if (ioctl(folder, FS_IOC_SHUTDOWN, &how)) {
    perror("shutdown");
    return 1;
  }
  return 0;
}
